"""An EC2 that nobody here wrote: moto, with the instances of one of the lab's scenarios.

    python serve.py SCENARIO.toml

Prints one line of JSON with the endpoint and keys, and ends when its standard input does.

moto answers every call by itself. Its own API makes the organization, the instances and their addresses. What no API can set
(a kernel image, a date in the past, an event, a failed check) is put into moto's objects in this process, and moto puts it
into its answers. What moto has no place for is added: checks that fail, an address that belongs to Amazon, and a role that
nobody may take on. Two of its answers are changed: regions of other partitions, which no account sees, are left out, and
`m4.large` and `m5.large` count as of the current generation, as which the scenario means them, though AWS no longer does.
"""

import datetime
import json
import re
import sys
import tomllib

import boto3
from moto.ec2.models import ec2_backends
from moto.ec2.models.amis import Ami
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.instance_types import InstanceTypeBackend
from moto.ec2.models.instances import Instance
from moto.iam.models import iam_backends
from moto.organizations.models import organizations_backends
from moto.server import ThreadedMotoServer
from moto.sts.exceptions import STSClientError
from moto.sts.models import STSBackend

with open(sys.argv[1], "rb") as file:
    SCENARIO = tomllib.load(file)
MASTER = SCENARIO["accounts"][0]["id"]
NOW = datetime.datetime.now(datetime.timezone.utc)
# What a scenario counts time in.
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
# Types of the current generation, as the scenario means it.
CURRENT = {"m4.large", "m5.large"}
# Names of the kernel images in the scenario, as `DescribeImages` showed them in their regions.
KERNELS = {
    "aki-44992845": "pv-grub-hd0_1.03-x86_64.gz",
    "aki-176bf516": "pv-grub-hd0_1.04-x86_64.gz",
    "aki-7077ab11": "pv-grub-hd0_1.05-x86_64.gz",
    "aki-71665e05": "pv-grub-hd0_1.03-x86_64.gz",
}


def time(text):
    """A time of a scenario: `+40d` from now, `-4y`, or one with a date."""
    found = re.fullmatch(r"([+-]\d+)([mhdy])", text)
    if not found:
        return datetime.datetime.fromisoformat(text)
    amount, unit = int(found[1]), found[2]
    if unit == "y":
        return NOW + datetime.timedelta(days=365 * amount)
    return NOW + datetime.timedelta(**{UNITS[unit]: amount})


def fail(answers):
    """Lets checks of those instances fail that have died; moto's own always pass."""

    def instance_status(self):
        if not hasattr(self, "dead_since"):
            return answers(self)
        details = {"Name": "reachability", "Status": "failed", "ImpairedSince": self.dead_since}
        return {"Details": [details], "Status": "impaired"}

    Instance.instance_status = property(instance_status)


def lend(answers):
    """Says of some addresses that they are Amazon's; moto says of all that they are the account's."""

    def association(self):
        found = answers(self)
        return {**found, "ipOwnerId": "amazon"} if hasattr(self, "is_lent") else found

    NetworkInterface.association = property(association)


def operator():
    """Keys of the first account: moto knows by them whose calls are."""
    iam = iam_backends[MASTER]["aws"]
    iam.create_user("us-east-1", "operator")
    key = iam.create_access_key("operator")
    return {"aws_access_key_id": key.access_key_id, "aws_secret_access_key": key.secret_access_key}


def organization(client):
    """The accounts, under the numbers of the scenario."""
    client.create_organization(FeatureSet="ALL")
    accounts = organizations_backends[MASTER]["aws"].accounts
    for plan in SCENARIO["accounts"][1:]:
        client.create_account(AccountName=plan["name"], Email=f"{plan['id']}@example.com")
        account = accounts[-1]
        account.id = plan["id"]
        account.status = account.state = "SUSPENDED" if plan.get("suspended") else "ACTIVE"
    master = next(account for account in accounts if account.id == MASTER)
    master.name = SCENARIO["accounts"][0]["name"]


def refuse(closed):
    """No account of these lets anybody in."""
    assume = STSBackend.assume_role

    def guarded(self, region_name, role_session_name, role_arn, *rest, **more):
        if role_arn.split(":")[4] in closed:
            raise STSClientError("AccessDenied", f"You are not authorized to perform sts:AssumeRole on {role_arn}")
        return assume(self, region_name, role_session_name, role_arn, *rest, **more)

    STSBackend.assume_role = guarded


def instance(ec2, backend, plan):
    """One instance, first by the API and then as the API could not make it any more."""
    image = next(image for image in backend.amis.values() if image.virtualization_type == "hvm")
    tags = {"Name": plan["name"], **plan.get("tags", {})}
    made = ec2.run_instances(
        ImageId=image.id,
        InstanceType=plan["type"],
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    )["Instances"][0]
    if plan.get("elastic_ip"):
        address = ec2.allocate_address(Domain="vpc")
        ec2.associate_address(InstanceId=made["InstanceId"], AllocationId=address["AllocationId"])
    if plan.get("stopped"):
        ec2.stop_instances(InstanceIds=[made["InstanceId"]])
    one = backend.get_instance(made["InstanceId"])
    one.launch_time = time(plan["launched"])
    kernel = plan.get("kernel")
    one.kernel = one.kernel_id = kernel
    one.ramdisk = one.ramdisk_id = plan.get("ramdisk")
    one.virtualization_type = plan.get("virtualization") or ("paravirtual" if kernel else "hvm")
    one.root_device_type = "ebs" if "root" in plan else "instance-store"
    one.ena_support = plan.get("ena", plan["type"].startswith("m5."))
    one.maintenance_options = {
        "AutoRecovery": plan.get("auto_recovery", "default"),
        "RebootMigration": plan.get("reboot_migration", "default"),
    }
    one.events = [
        {
            "InstanceEventId": f"instance-event-{number:017x}",
            "Code": event["code"],
            "Description": event.get("description", "The instance is scheduled for maintenance"),
            "NotBefore": time(event["not_before"]),
            "NotAfter": time(event["not_after"]) if "not_after" in event else None,
            "NotBeforeDeadline": time(event["deadline"]) if "deadline" in event else None,
        }
        for number, event in enumerate(plan.get("events", []), start=1)
    ]
    if "dead_since" in plan:
        one.dead_since = time(plan["dead_since"])
    if not plan.get("elastic_ip") and not plan.get("stopped"):
        one.nics[0].public_ip = "198.51.100.7"
        one.nics[0].is_lent = True
    if kernel in KERNELS and kernel not in backend.amis:
        backend.amis[kernel] = Ami(
            backend, kernel, name=KERNELS[kernel], image_type="kernel", public=True, region_name=backend.region_name + "a"
        )


def main():
    RegionsAndZonesBackend.regions = [
        region for region in RegionsAndZonesBackend.regions if not region.name.startswith(("cn-", "us-gov-"))
    ]
    for kind in InstanceTypeBackend.instance_types:
        if kind["InstanceType"] in CURRENT:
            kind["CurrentGeneration"] = True
    fail(Instance.instance_status.fget)
    lend(NetworkInterface.association.fget)
    refuse({account["id"] for account in SCENARIO["accounts"] if not account.get("roles")})
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    where = {"endpoint_url": f"http://{host}:{port}", "region_name": "us-east-1"}
    own = operator()
    organization(boto3.client("organizations", **where, **own))
    sts = boto3.client("sts", **where, **own)
    for region in SCENARIO["regions"]:
        keys = own
        if region["account"] != MASTER:
            role = f"arn:aws:iam::{region['account']}:role/audit"
            lent = sts.assume_role(RoleArn=role, RoleSessionName="setup")["Credentials"]
            keys = {
                "aws_access_key_id": lent["AccessKeyId"],
                "aws_secret_access_key": lent["SecretAccessKey"],
                "aws_session_token": lent["SessionToken"],
            }
        ec2 = boto3.client("ec2", **{**where, "region_name": region["name"]}, **keys)
        backend = ec2_backends[region["account"]][region["name"]]
        for plan in region["instances"]:
            instance(ec2, backend, plan)
    said = {"endpoint": where["endpoint_url"], "access_key": own["aws_access_key_id"], "secret_key": own["aws_secret_access_key"]}
    print(json.dumps(said), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
