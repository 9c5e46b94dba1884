# The rules. Value: the title. finding: what was seen of this very instance. meaning and remedy: for anybody.

rule-already-dead = Running, but not answering
    .finding = { $check ->
        [system] The status check of its host fails
        [instance] Its instance status check fails
       *[both] Its status checks fail
    }{ $since ->
        [missing] ; since when is not known.
       *[other] {" "}since { $since }{ $down ->
            [missing] .
           *[other] , for { $down } now.
        }
    }{ $cost ->
        [missing] {""}
       *[other] {" "}It has cost { $cost } in that time without doing its work.
    }
    .meaning = EC2 shows the instance as running and bills it, but nothing in it answers. An instance that did not come back from a reboot looks exactly like this. Waiting is right only while it checks its file systems.
    .remedy = Let the cause be read from its console and disk first, then bring it back. Do not stop, reboot or terminate it before there is a snapshot.

rule-pv-grub-1_03 = Paravirtual (PV), boots with PV-GRUB 1.03 or earlier
    .finding = Its kernel image { $kernel } is { $name ->
        [missing] an old PV-GRUB
       *[other] { $name }
    }{ $version ->
        [missing] {""}
       *[other] {" "}(version { $version })
    }{ $known ->
        [table] . The image is no longer listed by AWS; it is known from a built-in table{ $confidence ->
            [missing] .
           *[other] {" "}({ $confidence }).
        }
       *[image] , as AWS lists it.
    }
    .meaning = At each start, this old boot loader is fetched from AWS and looks for the kernel on the disk. Instances with it have not come back from reboots and moves to other hosts: they stay "running" and do not answer. An instance may have run for years and still not survive its next reboot.
    .remedy = Move it to hardware virtualization (HVM) before it is next rebooted. Until then do not reboot or stop it, and put off scheduled events where AWS allows it.

rule-pv-grub-1_04 = Paravirtual (PV), boots with PV-GRUB 1.04
    .finding = Its kernel image { $kernel } is { $name ->
        [missing] PV-GRUB 1.04
       *[other] { $name }
    }{ $known ->
        [table] . The image is no longer listed by AWS; it is known from a built-in table{ $confidence ->
            [missing] .
           *[other] {" "}({ $confidence }).
        }
       *[image] , as AWS lists it.
    }{ $version ->
        [missing] {""}
       *[other] {" "}Its version is { $version }.
    }
    .meaning = The boot loader is newer than those that are known to fail, but it still depends on an image that AWS keeps and on hosts that carry paravirtual guests. It also cannot read kernels compressed in newer ways, as an upgrade of the guest may install them.
    .remedy = Move it to hardware virtualization (HVM) at a time that you choose.

rule-pv-grub-1_05 = Paravirtual (PV), boots with PV-GRUB 1.05 or later
    .finding = Its kernel image { $kernel } is { $name ->
        [missing] a recent PV-GRUB
       *[other] { $name }
    }{ $known ->
        [table] . The image is no longer listed by AWS; it is known from a built-in table{ $confidence ->
            [missing] .
           *[other] {" "}({ $confidence }).
        }
       *[image] , as AWS lists it.
    }{ $version ->
        [missing] {""}
       *[other] {" "}Its version is { $version }.
    }
    .meaning = It has the newest boot loader that there is for paravirtual instances. It remains on the old kind of virtualization, for which there are few instance types and no new ones.
    .remedy = Move it to hardware virtualization (HVM) at a time that you choose.

rule-other-kernel-image = Paravirtual (PV), with a kernel from an image
    .finding = { $known ->
        [unknown] What its kernel image { $kernel } holds could not be read: it may be gone.
       *[image] Its kernel image { $kernel }{ $name ->
            [missing] {""}
           *[other] {" "}({ $name })
        } is not PV-GRUB.
    }
    .meaning = The kernel comes from an image outside the disk, and not from the kernel packages in the guest. If that image is withdrawn or does not run on the next host, the instance does not start, and nothing that is installed in it helps.
    .remedy = Move it to hardware virtualization (HVM); a kernel that fits is then started from its own disk.

rule-ramdisk-image = Paravirtual (PV), with a RAM disk image
    .finding = It starts with the RAM disk image { $ramdisk } from outside its disk.
    .meaning = The first files that the kernel needs come from an image outside the disk. They belong to one kernel only, and are not renewed by upgrades in the guest.
    .remedy = Move it to hardware virtualization (HVM); the RAM disk is then one on its own disk.

rule-no-kernel-id = Paravirtual (PV), and no kernel image is named
    .finding = It is paravirtual, but EC2 names no kernel image for it.
    .meaning = A paravirtual instance needs a kernel image to start. Which one this instance would get at its next start cannot be said.
    .remedy = Treat it as one that does not come back: no reboot and no stop before it was moved to hardware virtualization (HVM).

rule-event-reboot = A reboot is scheduled
    .finding = AWS reboots it ({ $code }){ $not-before ->
        [missing] , at a time that is not known.
       *[other] , not before { $not-before }{ $not-after ->
            [missing] .
           *[other] {" "}and not after { $not-after }.
        }
    } Effect: { $effect }.{ $movable-until ->
        [missing] {" "}It cannot be moved.
       *[other] {" "}It can be moved until { $movable-until }.
    }
    .meaning = AWS reboots the instance in a maintenance window. It stays on its host, but its boot loader runs, perhaps for the first time in years.
    .remedy = Prove that it boots, or move it to HVM, before the date. Put the event off if there is not enough time.

rule-event-system-reboot = A reboot onto another host is scheduled
    .finding = AWS reboots it ({ $code }){ $not-before ->
        [missing] , at a time that is not known.
       *[other] , not before { $not-before }{ $not-after ->
            [missing] .
           *[other] {" "}and not after { $not-after }.
        }
    } Effect: { $effect }.{ $movable-until ->
        [missing] {" "}It cannot be moved.
       *[other] {" "}It can be moved until { $movable-until }.
    }
    .meaning = The host of the instance is rebooted, and the instance starts again on another one. For a paravirtual instance this is the most dangerous kind of reboot. To reboot it yourself before the date has the same effect.
    .remedy = Move it to HVM before the date. Do not reboot it yourself "to be safe". Put the event off if there is not enough time.

rule-event-maintenance = Maintenance of its host is scheduled
    .finding = AWS works on its host ({ $code }){ $not-before ->
        [missing] , at a time that is not known.
       *[other] , not before { $not-before }{ $not-after ->
            [missing] .
           *[other] {" "}and not after { $not-after }.
        }
    } Effect: { $effect }.{ $movable-until ->
        [missing] {" "}It cannot be moved.
       *[other] {" "}It can be moved until { $movable-until }.
    }
    .meaning = AWS works on the network or power of the host. Usually the instance loses its connection for a moment; it may also be rebooted.
    .remedy = Be ready for a reboot in that window, and prove beforehand that the instance boots.

rule-event-retirement = Its host is retired
    .finding = AWS retires it ({ $code }){ $not-before ->
        [missing] , at a time that is not known.
       *[other] , not before { $not-before }{ $not-after ->
            [missing] .
           *[other] {" "}and not after { $not-after }.
        }
    } Effect: { $effect }.{ $movable-until ->
        [missing] {" "}It cannot be moved.
       *[other] {" "}It can be moved until { $movable-until }.
    }
    .meaning = The host is broken or taken away. An instance with its root on a volume is stopped and has to start on another host; one with its root on the host's own disks is terminated, and its data is lost.
    .remedy = Move it before the date. If its root is on the host's own disks, save its data first.

rule-event-stop = A stop is scheduled
    .finding = AWS stops it ({ $code }){ $not-before ->
        [missing] , at a time that is not known.
       *[other] , not before { $not-before }{ $not-after ->
            [missing] .
           *[other] {" "}and not after { $not-after }.
        }
    } Effect: { $effect }.{ $movable-until ->
        [missing] {" "}It cannot be moved.
       *[other] {" "}It can be moved until { $movable-until }.
    }
    .meaning = AWS stops the instance. Started again it is on another host, and addresses that are not Elastic IP addresses are gone.
    .remedy = Move it to HVM at a time of your own before the date.

rule-auto-recovery = Automatic recovery could move it
    .finding = Automatic recovery is on.
    .meaning = If its host fails, EC2 moves the instance to another host and starts it there by itself. For an instance of which it is not proven that it boots, that is a reboot nobody chose.
    .remedy = Switch automatic recovery off until it is moved to HVM.

rule-reboot-migration = A reboot could move it to another host
    .finding = { $due ->
        [yes] A reboot onto another host is due: if anybody reboots it now, it moves already.
       *[no] If a reboot onto another host becomes due, a reboot by anybody moves it.
    }
    .meaning = While a reboot onto another host is scheduled, EC2 uses any reboot, also your own, to move the instance.
    .remedy = Switch reboot migration off until it is moved to HVM.

rule-instance-store-root = Its root is on the host's own disks
    .finding = Its root device is on the instance store.
    .meaning = The root exists only as long as the instance is on this host. It cannot be stopped; retirement or a failure of the host destroys it, and no snapshot can be taken from outside.
    .remedy = Save its data from inside, to a volume or an archive, and build it anew on a volume.

rule-long-uptime = Not started for a long time
    .finding = It was last started { $launched ->
        [missing] a long time ago
       *[other] { $launched }
    }{ $uptime ->
        [missing] .
       *[other] , { $uptime } ago.
    }
    .meaning = What was changed since then, such as a newer kernel or a new entry in its file system table, was perhaps never booted. Reboots from inside the guest are not visible from here.
    .remedy = Rehearse its start on a copy of its disk before it has to reboot.

rule-previous-generation = Its type is of a previous generation
    .finding = Its type is { $type }.{ $target ->
        [missing] {""}
       *[other] {" "}The cheapest one that is as large and takes it as it is: { $target }{ $saving-sign ->
            [positive] , which costs { $saving } less in a month on the price list.
            [negative] , which costs { $saving } more in a month on the price list.
           *[other] ; what that would save is not known.
        }
    }
    .meaning = AWS still runs these types but builds no new hosts for them. They cost more than newer ones that do more.
    .remedy = Change the type in one of the next maintenance windows.

rule-not-nitro-ready = Not ready for current (Nitro) types
    .finding = It runs on Xen, and { $reason }.
    .meaning = Current instance types are built on Nitro: they need 64 bits, the network driver ENA and the disk driver NVMe in the guest. As far as can be seen from outside, this instance does not have all that.
    .remedy = Install the drivers and switch ENA on before its type is changed; a 32-bit guest has to stay on Xen types or be built anew.

rule-address-lost-on-stop = Its public address is lost when it is stopped
    .finding = { $addresses ->
        [missing] It has a public address that is not an Elastic IP address.
       *[other] Public addresses that are not Elastic IP addresses: { $addresses }.
    }
    .meaning = An address that EC2 lent to the instance goes back when the instance is stopped. Names in the DNS, firewalls and licences that mention it have to be changed then.
    .remedy = Find out who uses the address, and give the instance an Elastic IP address in time.

rule-unknown = A finding that this version has no words for
    .finding = The rule is called { $rule }. See the link for more.
    .meaning = The audit was made by a newer version than this report.
    .remedy = Make the report with the version that made the audit.

word-reason-32-bit = the guest has 32 bits
word-reason-no-ena = ENA is not switched on
word-effect-reboot-in-place = it reboots where it is
word-effect-reboot-new-host = it reboots onto another host
word-effect-stop = it is stopped and has to start on another host
word-effect-loss-of-root = it is terminated and its root is lost
word-effect-interruption = network or power is interrupted for a moment, it may reboot
word-effect-unknown = what this does is not known
word-confidence-documented = documented, in a copy of AWS's list
word-confidence-official = from AWS's documentation
word-confidence-observed = observed, not documented by AWS
word-confidence-secondary = from one secondary source only
