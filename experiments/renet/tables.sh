#!/usr/bin/env bash
# RE-Net's Tables 4 to 8 at small scale, beside ResNet-18: under a minute of one core for every training. FACEKIT is
# the folder of ICT Face Model Light. docs/results.md shows these commands and, made from results/, what came out.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The people who are trained and tested on, and others, whose ResNet-18 every model starts from, without its heads.
actionunits synth --layout bp4d --facekit "$FACEKIT" --out out/bp4d --subjects 41 --clips 4 --frames 32 --fps 8
actionunits prepare bp4d out/bp4d --out out/bp4d-crops
actionunits synth --layout disfa --facekit "$FACEKIT" --out out/disfa --subjects 27 --frames 128 --fps 8
actionunits prepare disfa out/disfa --out out/disfa-crops
OTHERS=(--clips 1 --frames 10 --fps 3 --rates balanced)
actionunits synth --facekit "$FACEKIT" --subjects 2500 --seed 1 "${OTHERS[@]}" --out out/others
actionunits synth --facekit "$FACEKIT" --subjects 60 --seed 2 "${OTHERS[@]}" --out out/tuning
actionunits train resnet18 --data out/others --valid out/tuning --out out/body --config resnet18_small \
    --set image_size=64 --set every=2 --set ema_decay=0.99 --batch-size 64 --epochs 10

# Tables 7, 6, 8 and 5; those of Table 4 are in the rows of Table 7, as one model gives occurrence and intensity.
START=(--scale small --init out/body/model.safetensors --set init_body_only=true --set image_size=64 --set epochs=6
    --results results/renet_small.csv)
actionunits reproduce renet-table7 --data out/bp4d-crops --model resnet18,renet,renet:learnable "${START[@]}" \
    --out out/table7
actionunits reproduce renet-table6 --data out/bp4d-crops --model renet "${START[@]}" \
    --set unseen_aus=[23,24] --out out/table6
actionunits reproduce renet-table8 --data out/bp4d-crops --model resnet18,renet "${START[@]}" \
    --set balance=duplicate --set balance_aus=[1,2,15,23,24] --out out/table8
actionunits reproduce renet-table5 --data out/disfa-crops --model resnet18,renet "${START[@]}" --out out/table5
# A student in one pass: in every fold, ResNet-18 also learns what the RE-Net of that fold says.
actionunits reproduce renet-table7 --data out/bp4d-crops --model resnet18 "${START[@]}" \
    --teacher out/table7/renet --out out/taught

# Paired tests on the same frames.
test() {
    actionunits compare "out/$2/predictions.parquet" "out/$3/predictions.parquet" --out "results/renet_tests/$1.csv"
}
test renet_resnet18 table7/renet table7/resnet18
test renet_learnable table7/renet table7/renet-learnable
test renet_unseen table6/renet table7/renet
test resnet18_duplicated table8/resnet18 table7/resnet18
test renet_duplicated table8/renet table7/renet
test taught_alone taught/resnet18 table7/resnet18
test taught_teacher taught/resnet18 table7/renet
test renet_resnet18_disfa table5/renet table5/resnet18
