#!/bin/sh
# What the AWS command line makes of the lab, which was started with the scenario `tokyo`, without machines.
set -eu

expect() { # WHAT EXPECTED FOUND
    if [ "$2" != "$3" ]; then
        echo "$1: expected $2, found $3" >&2
        exit 1
    fi
    echo "$1: $3"
}

refused() { # CODE COMMAND...
    code=$1
    shift
    if said=$("$@" 2>&1); then
        echo "expected $code of $*" >&2
        exit 1
    fi
    case $said in
        *"($code)"*) echo "$code: as it should be" ;;
        *) echo "expected $code of $*, found $said" >&2; exit 1 ;;
    esac
}

export AWS_MAX_ATTEMPTS=1 AWS_PAGER=
ec2() { aws ec2 "$@" --output text; }

expect account 111122223333 "$(aws sts get-caller-identity --query Account --output text)"
shop=$(ec2 describe-instances --filters Name=tag:Name,Values=shop --query 'Reservations[].Instances[].InstanceId')
expect kernel aki-44992845 "$(ec2 describe-instances --instance-ids "$shop" --query 'Reservations[].Instances[].KernelId')"
expect loader pv-grub-hd0_1.03-x86_64.gz "$(ec2 describe-images --image-ids aki-44992845 --query 'Images[].Name')"
expect event system-reboot "$(ec2 describe-instance-status --instance-ids "$shop" --query 'InstanceStatuses[].Events[].Code')"
event=$(ec2 describe-instance-status --instance-ids "$shop" --query 'InstanceStatuses[].Events[].InstanceEventId')
late=$(ec2 describe-instance-status --instance-ids "$shop" --query 'InstanceStatuses[].Events[].NotBeforeDeadline')
ec2 modify-instance-event-start-time --instance-id "$shop" --instance-event-id "$event" --not-before "$late" > /dev/null
expect 'put off to' "$late" "$(ec2 describe-instance-status --instance-ids "$shop" --query 'InstanceStatuses[].Events[].NotBefore')"

refused OperationNotPermitted ec2 terminate-instances --instance-ids "$shop"
refused InvalidInstanceID.NotFound ec2 describe-instances --instance-ids i-0123456789abcdef0
ec2 reboot-instances --instance-ids "$shop"
expect 'after a reboot' impaired "$(ec2 describe-instance-status --instance-ids "$shop" --query 'InstanceStatuses[].InstanceStatus.Status')"
case $(ec2 get-console-output --instance-id "$shop" --query Output) in
    *'unknown compression format'*) echo 'console: why' ;;
    *) echo 'the console does not say why' >&2; exit 1 ;;
esac
ec2 stop-instances --instance-ids "$shop" > /dev/null
ec2 wait instance-stopped --instance-ids "$shop"
root=$(ec2 describe-volumes --filters "Name=attachment.instance-id,Values=$shop" --query 'Volumes[].VolumeId')
ec2 detach-volume --volume-id "$root" > /dev/null
ec2 wait volume-available --volume-ids "$root"
image=$(aws ssm get-parameter --name /aws/service/debian/release/bookworm/latest/amd64 --query Parameter.Value --output text)
host=$(ec2 run-instances --image-id "$image" --instance-type t3.micro --key-name operations --query 'Instances[].InstanceId')
ec2 wait instance-status-ok --instance-ids "$host"
ec2 attach-volume --volume-id "$root" --instance-id "$host" --device /dev/sdf > /dev/null
expect attachment attached "$(ec2 describe-volumes --volume-ids "$root" --query 'Volumes[].Attachments[].State')"
