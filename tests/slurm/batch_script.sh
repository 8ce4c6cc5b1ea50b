#!/bin/bash

# Parameters
#SBATCH --account=lab
#SBATCH --constraint=a100
#SBATCH --cpus-per-task=16
#SBATCH --exclusive
#SBATCH --gpus-per-node=2
#SBATCH --job-name=seedsweep-alpha
#SBATCH --mail-type=END
#SBATCH --mem=64000M
#SBATCH --no-kill
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --open-mode=append
#SBATCH --output=/runs/alpha/cluster/%j/%j_0_log.out
#SBATCH --partition=gpu
#SBATCH --qos=low
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --time=1590
#SBATCH --wckey=submitit

# setup
cd '/runs/alpha'"'"'s/source' || exit 1
export PYTHONPATH='/runs/alpha'"'"'s/source'${PYTHONPATH:+:$PYTHONPATH}

# command
export SUBMITIT_EXECUTOR=slurm
srun --unbuffered --output /runs/alpha/cluster/%j/%j_%t_log.out --no-kill --kill-on-bad-exit=0 --cpus-per-task=16 /opt/python/bin/python -u -m submitit.core._submit /runs/alpha/cluster/%j
