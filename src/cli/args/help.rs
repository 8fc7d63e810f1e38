//! What `--help` says of each command below its options: examples, and exit codes.

pub(super) const AFTER_HELP: &str = "\
First steps:
  backhoe doctor                         what this host can do
  backhoe run labs/dx-vpn-backup.yaml    build, cut, measure, report, take down
  backhoe up labs/dx-vpn-backup.yaml     leave it up and look around: status, inspect, exec, cut

Exit codes:
  0  done, and every expectation was met
  1  a bug, or the lab failed
  2  wrong usage, an error in the lab file, no such lab, or a lab that refuses
  3  this host lacks something (backhoe doctor)
  4  the result is not trusted, an expectation or a wait's `within` was missed, or the lab did
     not converge
  5  a routing daemon, or the lab itself, does not answer
  130, 143, 129  interrupted by Ctrl-C, SIGTERM, SIGHUP; the lab was taken down
  exec and shell return the status of their command; 125 when backhoe itself failed";

pub(super) const CHECK_HELP: &str = "\
Examples:
  backhoe check labs/*.yaml
  backhoe check --host labs/dx-vpn-backup-frr.yaml    also: would it run here?
  backhoe check --json mine.yaml | jq '.diagnostics[] | {line, column, message}'";

pub(super) const PLAN_HELP: &str = "\
Nothing is done. The plan is the one for this host: what its kernel lacks is planned around.

Examples:
  backhoe plan labs/two-routers.yaml
  backhoe plan labs/two-routers.yaml --json > plan.json && backhoe up plan.json";

pub(super) const GRAPH_HELP: &str = "\
Nothing is built. The SVG is laid out by backhoe itself and follows the viewer's light or dark
scheme; Mermaid is what many sites show as a picture in Markdown; DOT is for Graphviz.

Examples:
  backhoe graph labs/dx-vpn-backup.yaml --out picture.svg
  backhoe graph labs/dx-vpn-backup.yaml --format dot | dot -Tpdf > picture.pdf
  backhoe graph labs/dx-vpn-backup.yaml                 Mermaid on stdout";

pub(super) const DOWN_HELP: &str = "\
A lab that does not answer is killed. Examples:
  backhoe down
  backhoe down one two
  backhoe down --all";

pub(super) const LOGS_HELP: &str = "\
Examples:
  backhoe logs dc1
  backhoe logs -f dc1

Empty is good: the programs write what went wrong. What happened is in journal.jsonl in the
run's directory (backhoe status).";

pub(super) const RESTORE_HELP: &str = "\
A label comes first; without one of that name, the link, session, node or tag that one cut hits.

Examples:
  backhoe cut circuit && backhoe restore circuit
  backhoe cut vgw --how freeze --as stuck && backhoe restore stuck
  backhoe restore --all";

pub(super) const COMPLETIONS_HELP: &str = "\
Example: backhoe completions bash > ~/.local/share/bash-completion/completions/backhoe";

pub(super) const MAN_HELP: &str = "Example: backhoe man | man -l -";

pub(super) const RUN_HELP: &str = "\
Examples:
  backhoe run labs/dx-vpn-backup.yaml
  backhoe run labs/dx-vpn-backup.yaml --trials 20    distributions, beside what the timers predict
  backhoe run labs/dx-vpn-backup.yaml --json | jq '.outages[] | {from, to, duration_ms}'
  backhoe run labs/dx-vpn-backup.yaml --out fifty --resume    go on with trials that were cut short

Ctrl-C takes the lab down. Exit code 4: the result is not trusted, an expectation or a wait's
`within` was missed, or the run failed on its way.";

pub(super) const REPORT_HELP: &str = "\
Examples:
  backhoe report runs/dx-vpn-backup-1763772000000
  backhoe report fifty --markdown >> \"$GITHUB_STEP_SUMMARY\"
  backhoe report fifty --html > fifty.html
  backhoe report fifty --trial 7 --json | jq '.outages[].phases_ms'

Everything is measured again from journal.jsonl and the packet files that it names, so a run that
was killed is told as far as it got. Exit code 0: it was told, whatever it says; 4: no trial was
over, or a file is missing or was changed.";

pub(super) const BENCH_HELP: &str = "\
Every combination of values is a variant; the first is what the others are compared with. `unset`
is the lab without the key; keys of the file are written with dots, items of lists counted from 0.
The variants take turns in random order, so that what changes on the host meets them alike.

Examples:
  backhoe bench labs/two-routers.yaml --vary sessions.primary.bfd=50ms/3,300ms/3
  backhoe bench mine.yaml --vary sessions.prod.bfd=unset,300ms/3 --vary nodes.dc1.daemon=embedded,frr,bird

Exit code 4: a trial did not succeed.";

pub(super) const COMPARE_HELP: &str = "\
A and B are run directories, or their result.json, best of --trials: A is the baseline. An outage
is slower when all of the 95 % interval of the difference of the medians lies above the limit, and
not slower when none of it does; between the two it is undecided.

Examples:
  backhoe run mine.yaml --trials 30 --out baseline && backhoe run mine.yaml --trials 30 --out now
  backhoe compare baseline now --slower-than 10%

Exit code 4: an outage is slower than the baseline by more than --slower-than; with --strict also
when that is undecided, or when an outage is only in one of the two.";

pub(super) const UP_HELP: &str = "\
Examples:
  backhoe up labs/dx-vpn-backup.yaml
  backhoe up labs/dx-vpn-backup.yaml --name second    the same lab once more, beside it

Waits until every session is up, at most a minute. If one does not come up, says which, leaves
the lab up to be looked at, and exits with 4. Ctrl-C meanwhile takes the lab down.";

pub(super) const CUT_HELP: &str = "\
How:
  silent        a link drops everything both ways; the light stays on (the usual for a link)
  one-way       it drops what --from NODE sends
  carrier       loss of light at both ends, or only --at NODE
  bgp-shutdown  the end --at NODE closes a session; AWS's end by default (the usual for a session)
  maintenance   AWS replaces a VPN tunnel's endpoint: announced by MED, and gone 3 s later
  kill, freeze  a node's routing daemon is killed, or stopped
  node          a whole node dies: its links go silent, then its programs are killed

All that carries a tag, nodes with all their links, falls at once by silent (the usual),
carrier or node.

Examples:
  backhoe cut circuit
  backhoe cut circuit --how one-way --from dc1
  backhoe cut prod
  backhoe cut location:EAST && backhoe restore EAST
  backhoe cut vgw --how kill --as crash && backhoe restore crash";

pub(super) const INSPECT_HELP: &str = "\
What:
  bgp  sessions: state, timers, prefixes received and sent
  bfd  sessions: state, negotiated intervals, detection time
  rib  the BGP table; * best, = also used, x unusable
  fib  the kernel's routes

The same columns for every daemon. Example: backhoe inspect dc1 rib";

pub(super) const EXEC_HELP: &str = "\
Examples:
  backhoe exec dc1 -- ip route
  backhoe exec dc1.app -- ping -c 3 172.31.1.10    the host app; `app` alone means the same
  backhoe exec dc1 -- tcpdump -Z root -ni any      -Z root: an ordinary user's lab has no other

The command sees the node's network, /run and /etc/hosts, and otherwise the host's files with
your rights. Its status is returned; 125 when backhoe itself failed, 127 when there is no such
command.";

pub(super) const CONFORMANCE_HELP: &str = "\
Examples:
  backhoe conformance                        every case, every backend this kernel has; 2 minutes each
  backhoe conformance delay throughput       two of them
  backhoe conformance --json > host.json && backhoe conformance --from host.json --markdown

Needs an idle machine: times are measured to some microseconds. Exit code 4: a value lies
outside of its tolerance.";

pub(super) const KNOWN_OUTAGES_HELP: &str = "\
A wire between two nodes drops everything for 0.5, 2, 5, 20, 100 and 1000 ms, by its own clock,
while 1,000, 10,000 and 50,000 packets a second cross it each way, on the host as it is and with
every processor taken by a thread that never rests. What backhoe reports of each is held against
the truth: is it within the error bar it came with?

Examples:
  backhoe known-outages                   some 3 minutes
  backhoe known-outages --trials 2 --rate 1000

Needs an idle machine. Exit code 4: too many outages outside of their error bars, bars too wide,
or too much called untrusted.";

pub(super) const METRICS_HELP: &str = "\
The metrics have AWS's names and dimensions (AWS/DX, AWS/VPN); a circuit's ConnectionId, a VIF's
VirtualInterfaceId and a VPN's VpnId are their names in the lab. Beside them is backhoe_alert.

Examples:
  backhoe metrics try
  backhoe metrics try --cloudwatch   what a sample a minute sees, beside what there was";
