#!/usr/bin/env bash
# One shard of the labs for each task of a Slurm array, which begins with 1:
#
#   id=$(sbatch --parsable examples/fan-out/slurm.sh)
#   sbatch --dependency=afterok:"$id" --wrap 'backhoe merge backhoe-results/shard-* --junit junit.xml'
#
# LABS and RESULTS are directories that every node sees. Processors: backhoe runs as many labs at
# once as those of its task have time for.
#SBATCH --job-name=backhoe
#SBATCH --array=1-4
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=02:00:00
#SBATCH --output=backhoe-%A-%a.log
set -euo pipefail

shard=$SLURM_ARRAY_TASK_ID
status=0
backhoe test "${LABS:-labs}" --shard "$shard/$SLURM_ARRAY_TASK_COUNT" \
    --out "${RESULTS:-backhoe-results}/shard-$shard" || status=$?
# Verdicts are there, whatever they are; `merge` ends as they say.
case $status in
0 | 3 | 4) ;;
*) exit "$status" ;;
esac
