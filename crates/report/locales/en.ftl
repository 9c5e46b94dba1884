# What a reader sees around the rules' own texts.

title = Which EC2 instances will not come back
title-for = Which EC2 instances will not come back: { $client }
made = Read on { $started }, by comeback { $program }
time = { $date }, { $time } { $zone }
time-both = { $local } ({ $utc })
date = { $weekday } { $day } { $month } { $year }
day-monday = Mon
day-tuesday = Tue
day-wednesday = Wed
day-thursday = Thu
day-friday = Fri
day-saturday = Sat
day-sunday = Sun
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
length-years = { $count ->
    [one] { $count } year
   *[other] { $count } years
}
length-days = { $count ->
    [one] { $count } day
   *[other] { $count } days
}
length-hours = { $count ->
    [one] { $count } hour
   *[other] { $count } hours
}
length-minutes = { $count ->
    [one] { $count } minute
   *[other] { $count } minutes
}
money = { $currency } { $amount }

level-critical = critical
level-high = high
level-medium = medium
level-low = low
level-info = info
level-critical-says = dead, or does not come back from a reboot with a date
level-high-says = may not come back from its next reboot
level-medium-says = may not come back under some circumstances, or loses something
level-low-says = costs something, or will one day
level-info-says = good to know

act-rescue = Bring it back
act-diagnose = Find out why it does not answer
act-migrate = Move it to HVM
act-save-data = Save its data from inside
act-postpone = Put the event off
act-hold = Switch off what could move it
act-prepare = Prepare it for Nitro
act-change-type = Change its type
act-know = Nothing; only know about it

unread-denied = access denied
unread-credentials = no valid credentials
unread-throttled = throttled by AWS
unread-disabled = account suspended or closed
unread-unreachable = no answer
unread-failed = failed

coverage = Coverage
coverage-complete = Everything that was asked for was read: { $accounts ->
    [one] { $accounts } account
   *[other] { $accounts } accounts
}, { $regions ->
    [one] { $regions } region
   *[other] { $regions } regions
}, { $instances ->
    [one] { $instances } instance
   *[other] { $instances } instances
}.
coverage-incomplete = Not everything was read. Whatever runs where nothing was read is missing from this report: { $unread ->
    [0] nothing is missing as a whole
    [one] { $unread } account or region not read
   *[other] { $unread } accounts or regions not read
}, { $gaps ->
    [one] { $gaps } part left out
   *[other] { $gaps } parts left out
}. What was read: { $regions ->
    [one] { $regions } region
   *[other] { $regions } regions
} in { $accounts ->
    [one] { $accounts } account
   *[other] { $accounts } accounts
}, { $instances ->
    [one] { $instances } instance
   *[other] { $instances } instances
}.
coverage-nothing = Nothing was asked for: there is no account in this report.
coverage-unread-title = What was not read
coverage-read = read
coverage-not-enabled = region not switched on
coverage-unread = not read: { $why }
coverage-gap = { $action } left out: { $why }
coverage-because = { $what }. { $reason }
denied-somebody = whoever these credentials are
denied-role = { $who } may not take on { $resource ->
    [missing] the role
   *[other] the role { $resource }
}: { $action } is not allowed ({ $code }). What to do: make the role if its account has none of that name, let its trust policy name the caller, and allow the caller { $action } on it.
denied-action = { $who } is not allowed { $action }{ $resource ->
    [missing] {""}
   *[other] {" "}on { $resource }
} ({ $code }). What to do: allow it in a policy; `comeback iam-policy audit` prints all that an audit needs.
denied-reason = { $text } AWS says why: { $reason }
coverage-all-regions = all regions
ledger = Ledger: what was read and what was not
account = Account
client = Client
region = Region
state = State
state-pending = pending
state-running = running
state-stopping = stopping
state-stopped = stopped
state-shutting-down = shutting down
state-terminated = terminated
instances = Instances
detail = Detail
calls = { $count ->
    [one] { $count } call was made to AWS. All of them only read.
   *[other] { $count } calls were made to AWS. All of them only read.
}
calls-all-clients = (This is the number for the whole audit.)
number = Number

summary = Summary
summary-line = { $total ->
    [0] No instance has a finding.
    [one] { $total } instance has findings, { $risk } of them at risk.
   *[other] { $total } instances have findings, { $risk } of them at risk.
}
summary-dead = { $dead ->
    [one] { $dead } instance is running but does not answer.
   *[other] { $dead } instances are running but do not answer.
}
summary-next = Next event: { $when }, { $instance }.
nothing-found = Nothing was found in what was read.
ranking = What to do, in order
rank = Rank
instance = Instance
risk = Risk
deadline = Event
what-to-do = What to do
by = By
by-when = by { $when }
no-date = no date
no-name = (no name)
in-days = { $length } left
overdue = the time has come
deadline-bar = From the audit to { $horizon } there are { $length } until the event.
no-event = No event is scheduled.
details = Each instance
finding = Finding
command = Command
evidence = Evidence
evidence-line = { $source }: { $field } is { $value }
link = More about it
type = Type
zone = Availability zone
virtualization = Virtualization
virtualization-paravirtual = paravirtual (PV)
virtualization-hvm = hardware (HVM)
kernel = Kernel image (AKI)
root = Root device
root-ebs = EBS
root-instance-store = instance store
launched = Last started
hourly = Price of an hour
becomes = Would become
becomes-costs-more = { $type }, { $amount } more in a month
becomes-costs-less = { $type }, { $amount } less in a month
movable-until = can be moved until { $when }
not-movable = cannot be moved
meanings = What the findings mean
remedy = What helps
plans = Plans
plan-from-to = From and to
plan-difference = In a month
plan-downtime = Downtime
plan-downtime-range = about { $usual }, at most { $longest }
plan-cost = Cost of the migration
plan-notices = To know beforehand
unknown = unknown
runs = Migrations
run = Run
run-started = Started
run-downtime = Was away for
run-going = under way
run-waiting = waits for somebody
run-failed = failed
run-done = done, can still be taken back
run-rolled-back = taken back
run-finalized = finished
silenced = Silenced findings
silenced-none = No finding is silenced.
reason = Reason
until = Until
silenced-until = until { $when }

table-more = Read each finding in full with --format md or html.
ics-name = EC2 events
ics-title = { $instance }: { $what }
ics-coverage = Audit incomplete: { $unread } not read
ics-alarm = { $instance }: event is near

kind = Kind
kind-finding = finding
kind-silenced = silenced
kind-unread = not read
rule = Rule

notify-title = comeback: { $risk ->
    [0] nothing at risk
    [one] { $risk } instance at risk
   *[other] { $risk } instances at risk
}
notify-title-incomplete = comeback: not everything was read; { $risk ->
    [0] nothing at risk in what was
    [one] { $risk } instance at risk in what was
   *[other] { $risk } instances at risk in what was
}
notify-changes = comeback: what changed since the last audit
notify-nothing = Nothing changed since the last audit.
notify-more = and { $count } more
change-new = New
change-gone = Gone
change-moved = Event moved
change-unread = No longer read
change-read-again = Read again
change-moved-line = [{ $level }] { $instance }: { $event }: from { $old } to { $new }

docs-title = Findings
docs-intro = What `comeback audit` looks for. This page is made from the texts that the reports use.
docs-meaning = Meaning
docs-remedy = What helps
