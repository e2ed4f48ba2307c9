#!/usr/bin/env bash
# From nothing to a published table, at small scale, in about ten minutes on two cores. FACEKIT is the folder of
# ICT Face Model Light. The page docs/results.md shows these commands and, made from results/, what came out.
set -euo pipefail
cd "$(dirname "$0")/.."

actionunits synth --layout bp4d --facekit "$FACEKIT" --out out/bp4d --subjects 41 --frames 24 --fps 8
actionunits prepare bp4d out/bp4d --out out/bp4d-crops
actionunits reproduce renet-table1 --data out/bp4d-crops --model resnet18 --scale small \
    --results results/renet_table1_small.csv
