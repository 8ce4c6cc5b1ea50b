"""The files that SLURM reads: slurm.conf, gres.conf, cgroup.conf, slurmdbd.conf, and the nodes' /etc/hosts."""

from __future__ import annotations

import glob
import socket
from dataclasses import dataclass

from tests.devcluster.layout import Layout

#: Ports of the daemons outside the nodes: none is a daemon's usual one.
CONTROLLER, NODE, ACCOUNTING, DATABASE = 26817, 26818, 26819, 26820


@dataclass(frozen=True)
class Shape:
    """Of every node: CPUs and GPUs that SLURM believes in, memory in MB. More than the machine has is allowed."""

    nodes: int = 3
    cpus: int = 4
    gpus: int = 2
    memory: int = 7000


def write(layout: Layout, shape: Shape) -> None:
    """Write every file below `layout.etc`."""
    names = layout.nodes(shape.nodes)
    layout.hosts.write_text(
        f"127.0.0.1 localhost\n{layout.gateway} {socket.gethostname()}\n"
        + "".join(f"{layout.address(name)} {name}\n" for name in names)
    )
    devices = f"Name=gpu Type=pretended File={layout.devices}/nvidia[0-{shape.gpus - 1}]\n"
    layout.gres_conf.write_text("AutoDetect=off\n" + (f"NodeName=n[1-{shape.nodes}] {devices}" if shape.gpus else ""))
    layout.cgroup_conf.write_text(
        "CgroupPlugin=cgroup/v1\nCgroupAutomount=no\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n"
    )
    layout.slurm_conf.write_text(_slurm_conf(layout, shape))
    layout.slurmdbd_conf.write_text(_slurmdbd_conf(layout))
    layout.slurmdbd_conf.chmod(0o600)


def _plugins() -> str:
    """Debian puts the plugins of slurmdbd where SLURM itself does not look."""
    return ":".join(glob.glob("/usr/lib/*/slurm-wlm"))


def _slurm_conf(layout: Layout, shape: Shape) -> str:
    gres = f"Gres=gpu:pretended:{shape.gpus} " if shape.gpus else ""
    nodes = "".join(
        f"NodeName={name} NodeAddr={layout.address(name)} CPUs={shape.cpus} RealMemory={shape.memory} {gres}"
        "State=UNKNOWN\n"
        for name in layout.nodes(shape.nodes)
    )
    return f"""# Written by the development cluster.
ClusterName=devcluster
SlurmctldHost={socket.gethostname()}({layout.gateway})
SlurmctldPort={CONTROLLER}
SlurmdPort={NODE}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# cred_expire: how long a requeued job waits before it runs again; 120 s where it is not set.
AuthInfo=socket={layout.munge_socket},cred_expire=10
CredType=cred/munge
PluginDir={_plugins()}
StateSaveLocation={layout.state}
SlurmdSpoolDir={layout.folder}/nodes/%n/spool
SlurmctldPidFile={layout.pid_file("slurmctld")}
SlurmdPidFile={layout.folder}/nodes/%n/slurmd.pid
SlurmctldLogFile={layout.log("slurmctld")}
SlurmdLogFile={layout.logs}/slurmd.%n.log
# With proctrack/linuxproc a process whose parent died outlives its job.
ProctrackType=proctrack/cgroup
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# What no node could ever give is refused when it is submitted, as most clusters do.
EnforcePartLimits=ALL
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
# A dead node is down after 11 to 13 s.
SlurmdTimeout=6
MessageTimeout=3
TCPTimeout=2
SlurmctldTimeout=30
KillWait=5
WaitTime=0
InactiveLimit=0
MinJobAge=3600
CompleteWait=0
UnkillableStepTimeout=30
JobRequeue=1
PropagateResourceLimits=NONE
MailProg=/bin/true
TmpFS=/tmp
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost={layout.gateway}
AccountingStoragePort={ACCOUNTING}
AccountingStoragePass={layout.munge_socket}
AccountingStorageTRES=gres/gpu
{nodes}\
# A job of `urgent` sets those of the others aside: `main` requeues them, `spare` cancels them.
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=500 PriorityTier=1 PreemptMode=REQUEUE State=UP
PartitionName=spare Nodes=ALL MaxTime=INFINITE DefMemPerCPU=500 PriorityTier=1 PreemptMode=CANCEL State=UP
PartitionName=urgent Nodes=ALL MaxTime=INFINITE DefMemPerCPU=500 PriorityTier=10 PreemptMode=OFF State=UP
"""


def _slurmdbd_conf(layout: Layout) -> str:
    return f"""AuthType=auth/munge
AuthInfo=socket={layout.munge_socket}
DbdHost={socket.gethostname()}
DbdAddr={layout.gateway}
DbdPort={ACCOUNTING}
SlurmUser=root
DebugLevel=info
LogFile={layout.log("slurmdbd")}
PidFile={layout.pid_file("slurmdbd")}
PluginDir={_plugins()}
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={DATABASE}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""
