"""What boto3 makes of the lab, which was started with the scenario `estate`, without machines.

boto3 reads answers by AWS's own model of the API. It drops silently what the model does not know, so every answer is also
compared with the model here: an element that it has no place for is an error.
"""

import base64
import json
import os
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as tree

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

SEEN = set()
UNKNOWN = set()


def local(tag):
    return tag.rsplit("}", 1)[-1]


def compare(node, shape, path):
    """Notes the elements of an answer that the model does not know."""
    if shape.type_name == "structure":
        names = {}
        for name, member in shape.members.items():
            wire = member.serialization.get("name", name)
            if member.type_name == "list" and member.serialization.get("flattened"):
                wire = member.member.serialization.get("name", wire)
            names[wire] = member
        for child in node:
            member = names.get(local(child.tag))
            if member is None:
                UNKNOWN.add(f"{path}.{local(child.tag)}")
            else:
                compare(child, member, f"{path}.{local(child.tag)}")
    elif shape.type_name == "list":
        wire = shape.member.serialization.get("name", "member")
        for child in node:
            if local(child.tag) != wire:
                UNKNOWN.add(f"{path}.{local(child.tag)} (an item is {wire})")
            else:
                compare(child, shape.member, path + "[]")


def check(http_response, parsed, model, **_):
    SEEN.add(model.name)
    if http_response.status_code != 200 or model.metadata.get("protocol", "") == "json" or model.output_shape is None:
        return
    body = http_response.content
    if not body.lstrip().startswith(b"<"):
        return
    root = tree.fromstring(body)
    inner = [child for child in root if local(child.tag).endswith("Result")]
    if inner:
        root = inner[0]
    for child in list(root):
        if local(child.tag) in ("requestId", "ResponseMetadata"):
            root.remove(child)
    # Actions without output say `return`, which the model leaves out.
    if not model.output_shape.members:
        return
    before = len(UNKNOWN)
    compare(root, model.output_shape, model.name)
    UNKNOWN.difference_update({f"{model.name}.return"} if len(UNKNOWN) > before else set())


def client(service, **extra):
    made = boto3.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 1}), **extra)
    made.meta.events.register("after-call", check)
    return made


def refused(code, call, **arguments):
    """Expects an error of this code."""
    try:
        call(**arguments)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"expected {code}, got {found}: {error}"
        return error
    raise AssertionError(f"expected {code} of {call}")


ec2 = client("ec2")


def find(name):
    reservations = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": [name]}])["Reservations"]
    assert len(reservations) == 1, (name, reservations)
    return reservations[0]["Instances"][0]


def state(id):
    return ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]["State"]["Name"]


def test_identity():
    sts = client("sts")
    identity = sts.get_caller_identity()
    assert identity["Account"] == "111122223333", identity
    other = sts.assume_role(RoleArn="arn:aws:iam::444455556666:role/comeback", RoleSessionName="check")["Credentials"]
    keys = dict(
        aws_access_key_id=other["AccessKeyId"],
        aws_secret_access_key=other["SecretAccessKey"],
        aws_session_token=other["SessionToken"],
        region_name="us-east-1",
    )
    assert client("sts", **keys).get_caller_identity()["Account"] == "444455556666"
    far = client("ec2", **keys).describe_instances()["Reservations"]
    assert [i["KernelId"] for r in far for i in r["Instances"]] == ["aki-88aa75e1"], far
    refused("AccessDenied", sts.assume_role, RoleArn="arn:aws:iam::444455556666:role/nobody", RoleSessionName="check")
    refused("AuthFailure", client("ec2", aws_secret_access_key="x", aws_access_key_id="AKIANOBODY").describe_regions)
    wrong = dict(aws_access_key_id=boto3.Session().get_credentials().access_key, aws_secret_access_key="wrong")
    refused("SignatureDoesNotMatch", client("ec2", **wrong).describe_regions)


def test_source():
    source = find("archive")
    assert source["VirtualizationType"] == "paravirtual"
    assert source["KernelId"] == "aki-44992845"
    assert source["State"] == {"Code": 16, "Name": "running"}
    assert source["Monitoring"]["State"] == "enabled"
    assert source["RootDeviceName"] == "/dev/sda1"
    assert {m["DeviceName"]: m["Ebs"]["Status"] for m in source["BlockDeviceMappings"]} == {
        "/dev/sda1": "attached",
        "/dev/sdf": "attached",
        "/dev/sdg1": "attached",
    }
    assert source["LaunchTime"].year == 2013, source["LaunchTime"]
    assert len(source["NetworkInterfaces"]) == 2
    assert source["PublicIpAddress"].startswith("127.")
    assert source["IamInstanceProfile"]["Arn"].endswith(":instance-profile/archive")
    assert {g["GroupName"] for g in source["SecurityGroups"]} == {"web", "internal"}
    assert source["MaintenanceOptions"] == {"AutoRecovery": "default", "RebootMigration": "default"}, source["MaintenanceOptions"]
    kernel = ec2.describe_images(ImageIds=["aki-44992845"])["Images"][0]
    assert kernel["Name"] == "pv-grub-hd0_1.03-x86_64.gz" and kernel["ImageType"] == "kernel", kernel
    every = ec2.describe_images(
        Owners=["amazon"], IncludeDeprecated=True, Filters=[{"Name": "name", "Values": ["pv-grub-*.gz"]}]
    )["Images"]
    assert len(every) == 18, len(every)
    status = ec2.describe_instance_status(InstanceIds=[source["InstanceId"]])["InstanceStatuses"][0]
    assert status["Events"][0]["Code"] == "instance-retirement"
    assert status["InstanceStatus"]["Status"] == "ok" and status["SystemStatus"]["Details"][0]["Status"] == "passed"
    attribute = lambda name: ec2.describe_instance_attribute(InstanceId=source["InstanceId"], Attribute=name)
    assert base64.b64decode(attribute("userData")["UserData"]["Value"]).startswith(b"#!/bin/sh")
    assert attribute("disableApiTermination")["DisableApiTermination"]["Value"] is True
    assert attribute("instanceInitiatedShutdownBehavior")["InstanceInitiatedShutdownBehavior"]["Value"] == "stop"
    assert attribute("kernel")["KernelId"]["Value"] == "aki-44992845"
    assert attribute("instanceType")["InstanceType"]["Value"] == "m3.medium"
    assert attribute("sourceDestCheck")["SourceDestCheck"]["Value"] is True
    assert attribute("rootDeviceName")["RootDeviceName"]["Value"] == "/dev/sda1"
    for name in ("ramdisk", "disableApiStop", "ebsOptimized", "enaSupport", "sriovNetSupport"):
        attribute(name)
    assert len(attribute("blockDeviceMapping")["BlockDeviceMappings"]) == 3
    assert len(attribute("groupSet")["Groups"]) == 2
    attribute("productCodes")
    console = ec2.get_console_output(InstanceId=source["InstanceId"])["Output"]
    assert "Xen Minimal OS!" in console, console
    refused("UnsupportedOperation", ec2.get_console_screenshot, InstanceId=source["InstanceId"])


def test_pages_and_filters():
    ids = []
    for page in ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}):
        ids += [i["InstanceId"] for r in page["Reservations"] for i in r["Instances"]]
    assert len(ids) == len(set(ids)) == 9, ids
    pv = ec2.describe_instances(Filters=[{"Name": "kernel-id", "Values": ["aki-4499*"]}])["Reservations"]
    assert len(pv) == 4, len(pv)
    refused("InvalidParameterValue", ec2.describe_instances, Filters=[{"Name": "colour", "Values": ["red"]}])
    refused("InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=["i-0123456789abcdef0"])
    refused("InvalidInstanceID.Malformed", ec2.describe_instances, InstanceIds=["hello"])
    all_types = [t for page in ec2.get_paginator("describe_instance_types").paginate() for t in page["InstanceTypes"]]
    by_name = {t["InstanceType"]: t for t in all_types}
    assert by_name["m3.medium"]["SupportedVirtualizationTypes"] == ["hvm", "paravirtual"]
    assert by_name["t3.micro"]["Hypervisor"] == "nitro" and by_name["t3.micro"]["NetworkInfo"]["EnaSupport"] == "required"
    assert by_name["m1.small"]["ProcessorInfo"]["SupportedArchitectures"] == ["i386", "x86_64"]
    assert by_name["m5.large"]["VCpuInfo"]["DefaultVCpus"] == 2 and by_name["m5.large"]["MemoryInfo"]["SizeInMiB"] == 8192
    offered = ec2.describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["m3.medium"]}]
    )["InstanceTypeOfferings"]
    assert sorted(o["Location"] for o in offered) == ["ap-northeast-1a", "ap-northeast-1c"]
    for describe in ("regions", "availability_zones", "vpcs", "subnets", "security_groups", "key_pairs", "tags", "addresses",
                     "network_interfaces", "volumes", "volume_status", "snapshots", "account_attributes", "images"):
        getattr(ec2, "describe_" + describe)()
    refused("InvalidAction", lambda: ec2.describe_carrier_gateways())


def image():
    ssm = client("ssm")
    name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    found = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    assert ssm.get_parameters(Names=[name, "/nothing"])["InvalidParameters"] == ["/nothing"]
    assert ssm.get_parameters_by_path(Path="/aws/service/ami-amazon-linux-latest")["Parameters"]
    refused("ParameterNotFound", ssm.get_parameter, Name="/nothing")
    return found


def test_swap():
    """The nine steps, with the rules that they meet on the way."""
    source = find("archive")
    id = source["InstanceId"]
    volumes = {m["DeviceName"]: m["Ebs"]["VolumeId"] for m in source["BlockDeviceMappings"]}
    root = volumes["/dev/sda1"]
    made = ec2.create_snapshots(
        InstanceSpecification={"InstanceId": id},
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": [{"Key": "run", "Value": "1"}]}],
    )["Snapshots"]
    assert len(made) == 3
    ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[s["SnapshotId"] for s in made])
    ec2.modify_instance_maintenance_options(InstanceId=id, AutoRecovery="disabled")
    ec2.modify_instance_maintenance_options(InstanceId=id, RebootMigration="disabled")
    refused("OperationNotPermitted", ec2.detach_volume, VolumeId=root)
    refused("VolumeInUse", ec2.delete_volume, VolumeId=root)
    refused("DryRunOperation", ec2.stop_instances, InstanceIds=[id], DryRun=True)
    stopping = ec2.stop_instances(InstanceIds=[id])["StoppingInstances"][0]
    assert (stopping["PreviousState"]["Name"], stopping["CurrentState"]["Name"]) == ("running", "stopping")
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id])
    for volume in volumes.values():
        assert ec2.detach_volume(VolumeId=volume, InstanceId=id)["State"] == "detaching"
    ec2.get_waiter("volume_available").wait(VolumeIds=list(volumes.values()))
    missing = refused("InvalidParameterValue", ec2.start_instances, InstanceIds=[id])
    assert "does not have a volume attached at root (/dev/sda1)" in str(missing)

    arguments = dict(
        ImageId=image(),
        InstanceType="t3.small",
        MinCount=1,
        MaxCount=1,
        SubnetId=source["SubnetId"],
        SecurityGroupIds=[g["GroupId"] for g in source["SecurityGroups"]],
        KeyName=source["KeyName"],
        IamInstanceProfile={"Arn": source["IamInstanceProfile"]["Arn"]},
        UserData="#cloud-config\n",
        MetadataOptions={"HttpTokens": "required"},
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": True, "VolumeType": "gp3"}}],
        TagSpecifications=[{"ResourceType": t, "Tags": [{"Key": "run", "Value": "1"}]} for t in ("instance", "volume")],
        ClientToken="conformance-run",
    )
    host = ec2.run_instances(**arguments)["Instances"][0]
    again = ec2.run_instances(**arguments)["Instances"][0]
    assert again["InstanceId"] == host["InstanceId"]
    refused("IdempotentParameterMismatch", ec2.run_instances, **{**arguments, "InstanceType": "t3.micro"})
    refused("InvalidParameterCombination", ec2.run_instances,
            **{**arguments, "ImageId": host["ImageId"], "InstanceType": "m3.medium", "KernelId": "aki-44992845", "ClientToken": "other"})
    host_id = host["InstanceId"]
    assert host["State"]["Name"] == "pending"
    ec2.get_waiter("instance_running").wait(InstanceIds=[host_id])
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=[host_id])
    host = ec2.describe_instances(InstanceIds=[host_id])["Reservations"][0]["Instances"][0]
    assert {"Key": "run", "Value": "1"} in host["Tags"] and host["EnaSupport"] is True
    assert host["MetadataOptions"]["HttpTokens"] == "required"

    used = refused("InvalidParameterValue", ec2.attach_volume, VolumeId=root, InstanceId=host_id, Device="/dev/xvda")
    assert "Attachment point /dev/xvda is already in use" in str(used)
    refused("InvalidParameterValue", ec2.attach_volume, VolumeId=root, InstanceId=host_id, Device="/dev/sdg1")
    attached = ec2.attach_volume(VolumeId=root, InstanceId=host_id, Device="/dev/sdf")
    assert attached["State"] == "attaching" and attached["Device"] == "/dev/sdf"
    ec2.get_waiter("volume_in_use").wait(VolumeIds=[root])
    refused("VolumeInUse", ec2.attach_volume, VolumeId=root, InstanceId=host_id, Device="/dev/sdg")
    ec2.stop_instances(InstanceIds=[host_id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[host_id])
    host_root = host["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    ec2.detach_volume(VolumeId=host_root)
    ec2.detach_volume(VolumeId=root)
    ec2.get_waiter("volume_available").wait(VolumeIds=[host_root, root])
    ec2.attach_volume(VolumeId=root, InstanceId=host_id, Device="/dev/xvda")
    ec2.attach_volume(VolumeId=volumes["/dev/sdf"], InstanceId=host_id, Device="/dev/sdf")
    ec2.attach_volume(VolumeId=volumes["/dev/sdg1"], InstanceId=host_id, Device="/dev/sdg")
    ec2.modify_instance_attribute(
        InstanceId=host_id, BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}}]
    )
    ec2.modify_instance_attribute(InstanceId=host_id, DisableApiTermination={"Value": True})
    ec2.modify_instance_attribute(InstanceId=host_id, UserData={"Value": b"#!/bin/sh\n"})
    ec2.modify_instance_attribute(InstanceId=host_id, InstanceInitiatedShutdownBehavior={"Value": "stop"})
    ec2.start_instances(InstanceIds=[host_id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[host_id])
    refused("IncorrectInstanceState", ec2.modify_instance_attribute, InstanceId=host_id, InstanceType={"Value": "t3.micro"})

    # What moves: the address, the second interface, the target group.
    address = next(a for a in ec2.describe_addresses()["Addresses"] if a["InstanceId"] == id and a["PublicIp"] == source["PublicIpAddress"])
    refused("Resource.AlreadyAssociated", ec2.associate_address, AllocationId=address["AllocationId"], InstanceId=host_id,
            AllowReassociation=False)
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=host_id, AllowReassociation=True)
    second = next(n for n in source["NetworkInterfaces"] if n["Attachment"]["DeviceIndex"] == 1)
    first = next(n for n in source["NetworkInterfaces"] if n["Attachment"]["DeviceIndex"] == 0)
    refused("OperationNotPermitted", ec2.detach_network_interface, AttachmentId=first["Attachment"]["AttachmentId"])
    ec2.detach_network_interface(AttachmentId=second["Attachment"]["AttachmentId"])
    ec2.get_waiter("network_interface_available").wait(NetworkInterfaceIds=[second["NetworkInterfaceId"]])
    ec2.attach_network_interface(NetworkInterfaceId=second["NetworkInterfaceId"], InstanceId=host_id, DeviceIndex=1)
    moved = ec2.describe_instances(InstanceIds=[host_id])["Reservations"][0]["Instances"][0]
    assert moved["PublicIpAddress"] == source["PublicIpAddress"] and len(moved["NetworkInterfaces"]) == 2
    elb = client("elbv2")
    group = elb.describe_target_groups()["TargetGroups"][0]
    assert elb.describe_tags(ResourceArns=[group["TargetGroupArn"]])["TagDescriptions"][0]["Tags"][0]["Value"] == "archive"
    elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": host_id}])
    elb.deregister_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": id}])
    health = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    assert [(h["Target"]["Id"], h["TargetHealth"]["State"]) for h in health] == [(host_id, "healthy")], health

    refused("OperationNotPermitted", ec2.terminate_instances, InstanceIds=[host_id])
    ec2.modify_instance_attribute(InstanceId=host_id, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[host_id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[host_id])
    left = ec2.describe_volumes(VolumeIds=list(volumes.values()))["Volumes"]
    assert {v["State"] for v in left} == {"available"}, "volumes that are not deleted with the instance stay"
    ec2.delete_volume(VolumeId=host_root)
    for snapshot in made:
        ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])


def test_rest():
    subnet = ec2.describe_subnets()["Subnets"][0]
    zone = subnet["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=4, VolumeType="gp3", ClientToken="v")
    assert volume["State"] == "creating" and volume["Iops"] == 3000 and volume["Encrypted"] is False
    ec2.get_waiter("volume_available").wait(VolumeIds=[volume["VolumeId"]])
    snapshot = ec2.create_snapshot(VolumeId=volume["VolumeId"], Description="d")
    assert snapshot["VolumeSize"] == 4 and snapshot["State"] == "pending"
    refused("InvalidParameterValue", ec2.create_volume, AvailabilityZone=zone, Size=2, SnapshotId=snapshot["SnapshotId"])
    image_id = ec2.register_image(
        Name="an-image",
        Architecture="x86_64",
        VirtualizationType="hvm",
        RootDeviceName="/dev/xvda",
        EnaSupport=True,
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot["SnapshotId"]}}],
    )["ImageId"]
    ec2.get_waiter("image_available").wait(ImageIds=[image_id])
    refused("InvalidSnapshot.InUse", ec2.delete_snapshot, SnapshotId=snapshot["SnapshotId"])
    interface = ec2.create_network_interface(SubnetId=subnet["SubnetId"], Description="d", SecondaryPrivateIpAddressCount=1)
    interface_id = interface["NetworkInterface"]["NetworkInterfaceId"]
    secondary = next(a["PrivateIpAddress"] for a in interface["NetworkInterface"]["PrivateIpAddresses"] if not a["Primary"])
    other = ec2.create_network_interface(SubnetId=subnet["SubnetId"])["NetworkInterface"]["NetworkInterfaceId"]
    refused("InvalidIPAddress.InUse", ec2.assign_private_ip_addresses, NetworkInterfaceId=other, PrivateIpAddresses=[secondary])
    ec2.assign_private_ip_addresses(NetworkInterfaceId=other, PrivateIpAddresses=[secondary], AllowReassignment=True)
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=other, PrivateIpAddresses=[secondary])
    ec2.modify_network_interface_attribute(NetworkInterfaceId=other, SourceDestCheck={"Value": False})
    run = ec2.run_instances(ImageId=image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1,
                            NetworkInterfaces=[{"DeviceIndex": 0, "NetworkInterfaceId": interface_id}])["Instances"][0]
    ec2.get_waiter("instance_running").wait(InstanceIds=[run["InstanceId"]])
    assert run["NetworkInterfaces"][0]["NetworkInterfaceId"] == interface_id
    ec2.monitor_instances(InstanceIds=[run["InstanceId"]])
    ec2.unmonitor_instances(InstanceIds=[run["InstanceId"]])
    ec2.modify_instance_metadata_options(InstanceId=run["InstanceId"], HttpTokens="required")
    ec2.reboot_instances(InstanceIds=[run["InstanceId"]])
    copy = ec2.create_image(InstanceId=run["InstanceId"], Name="a-copy", NoReboot=True)["ImageId"]
    ec2.describe_images(ImageIds=[copy])
    ec2.deregister_image(ImageId=copy)
    ec2.deregister_image(ImageId=image_id)
    ec2.create_tags(Resources=[run["InstanceId"], volume["VolumeId"]], Tags=[{"Key": "a", "Value": "b"}])
    assert len(ec2.describe_tags(Filters=[{"Name": "key", "Values": ["a"]}])["Tags"]) == 2
    ec2.delete_tags(Resources=[volume["VolumeId"]], Tags=[{"Key": "a"}])
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )
    rule = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"][0]
    assert (rule["FromPort"], rule["IpRanges"][0]["CidrIp"]) == (22, "0.0.0.0/0")
    key = ec2.import_key_pair(KeyName="k", PublicKeyMaterial=b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA k")
    assert key["KeyPairId"].startswith("key-")
    ec2.delete_key_pair(KeyName="k")
    for kind in ("rsa", "ed25519"):
        made = ec2.create_key_pair(KeyName=kind, KeyType=kind)
        assert "PRIVATE KEY-----" in made["KeyMaterial"], kind
        stored = ec2.describe_key_pairs(KeyNames=[kind], IncludePublicKey=True)["KeyPairs"][0]
        assert stored["PublicKey"].split()[0] == "ssh-" + kind and stored["KeyType"] == kind, stored
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=run["InstanceId"])
    refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=address["AllocationId"])
    association = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]["AssociationId"]
    ec2.disassociate_address(AssociationId=association)
    ec2.release_address(AllocationId=address["AllocationId"])
    ec2.terminate_instances(InstanceIds=[run["InstanceId"]])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[run["InstanceId"]])
    # An interface that was there before the instance outlives it.
    ec2.delete_network_interface(NetworkInterfaceId=interface_id)
    ec2.delete_network_interface(NetworkInterfaceId=other)


def control(path, body=None):
    """The lab's own pages."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + path, data, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))


def test_lost():
    """What is lost on the way back is done, and the client token finds it; what is lost on the way there is not."""
    wish = dict(AvailabilityZone="ap-northeast-1a", Size=1, ClientToken="lost")
    before = len(ec2.describe_volumes()["Volumes"])
    for kind, after in (("dropped", before), ("lost", before + 1)):
        control("/lab/faults", {"kind": kind, "action": "CreateVolume", "count": 1})
        try:
            ec2.create_volume(**wish)
            raise AssertionError("an answer came")
        except ConnectionClosedError:
            pass
        assert len(ec2.describe_volumes()["Volumes"]) == after, kind
    volume = ec2.create_volume(**wish)["VolumeId"]
    assert len(ec2.describe_volumes()["Volumes"]) == before + 1
    ec2.delete_volume(VolumeId=volume)
    control("/lab/faults", {"kind": "latency", "milliseconds": 700, "action": "DescribeRegions", "count": 1})
    started = time.monotonic()
    ec2.describe_regions()
    assert time.monotonic() - started >= 0.7
    control("/lab/faults", {"kind": "throttle", "count": 1})
    assert refused("RequestLimitExceeded", ec2.describe_regions).response["ResponseMetadata"]["HTTPStatusCode"] == 503
    calls = control("/lab/calls")
    assert calls["CreateVolume"]["total"] >= 3 and calls["DescribeRegions"]["errors"] >= 1, calls
    # A page in a browser cannot do this.
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json", "Origin": "http://example.com"}):
        request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + "/lab/down", b"{}", headers)
        try:
            urllib.request.urlopen(request)
            raise AssertionError("the lab did it")
        except urllib.error.HTTPError as error:
            assert error.code in (403, 415)


def test_refusals():
    stored = find("on-instance-store")
    assert stored["RootDeviceType"] == "instance-store" and not stored["BlockDeviceMappings"]
    assert find("bid")["InstanceLifecycle"] == "spot"
    assert find("bought")["ProductCodes"][0]["ProductCodeType"] == "marketplace"
    assert find("with-ramdisk")["RamdiskId"] == "ari-2a9d8b2b"
    assert find("small-words")["Architecture"] == "i386"
    locked = find("locked")["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    assert ec2.describe_volumes(VolumeIds=[locked])["Volumes"][0]["Encrypted"] is True
    pv = find("scaled")["InstanceId"]
    aside = find("set-aside")["InstanceId"]
    scaling = client("autoscaling")
    members = scaling.describe_auto_scaling_instances(InstanceIds=[pv, aside, stored["InstanceId"]])["AutoScalingInstances"]
    assert {one["InstanceId"]: one["LifecycleState"] for one in members} == {pv: "InService", aside: "Standby"}
    assert {one["AutoScalingGroupName"] for one in members} == {"scaled"}
    refused("ValidationError", scaling.describe_auto_scaling_instances, InstanceIds=[pv] * 51)
    refused("InvalidParameterCombination", ec2.modify_instance_attribute, InstanceId=pv, InstanceType={"Value": "t3.small"})
    ec2.modify_instance_attribute(InstanceId=pv, InstanceType={"Value": "m1.medium"})
    ec2.modify_instance_attribute(InstanceId=pv, Kernel={"Value": "aki-7077ab11"})
    refused("InvalidAMIID.NotFound", ec2.modify_instance_attribute, InstanceId=pv, Kernel={"Value": "aki-88aa75e1"})
    event = ec2.describe_instance_status(InstanceIds=[find("archive")["InstanceId"]], IncludeAllInstances=True)
    event = event["InstanceStatuses"][0]["Events"][0]
    refused("UnsupportedOperation", ec2.modify_instance_event_start_time, InstanceId=find("archive")["InstanceId"],
            InstanceEventId=event["InstanceEventId"], NotBefore=time.time() + 7200)


def main():
    for test in (test_identity, test_source, test_pages_and_filters, test_swap, test_rest, test_lost, test_refusals):
        test()
        print(f"{test.__name__}: ok")
    ignored = control("/lab/ignored")
    assert not ignored, ignored
    assert not UNKNOWN, "not in the model:\n  " + "\n  ".join(sorted(UNKNOWN))
    print(f"{len(SEEN)} actions, boto3 {boto3.__version__}, botocore {botocore.__version__}")


main()
