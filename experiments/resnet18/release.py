"""From trained branches to released weights: shares, decisions and intensities that hold on real faces.

    python experiments/resnet18/release.py runs/a/detector/model.safetensors --faces DIR --facekit DIR --out b.safetensors

What training leaves is one estimate of presence and one of intensity from each of two branches, all of them learned from
renders. On photographs coded by eye (`--faces`, see evaluation/coded_faces.py) this chooses how much the landmarks count,
and moves the log-odds of every action unit to where real faces have them: a logistic regression with one slope for all,
whose offsets are held together by a prior, since some action units are present in a handful of faces. Presence and
intensity are then two readings of nearly the same evidence, so that they do not contradict each other. All of this is
linear in the last layers and is written into their weights; detection costs what it did.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit, logit

from actionunits.aus import INTENSITY_MAX, au_label
from actionunits.datasets.crops.crop_data import CropData
from actionunits.datasets.crops.fresh import FreshPlan, as_crop_data, render_person
from actionunits.datasets.sampling.augment import plain_batches
from actionunits.detection.coded_faces import middle_face
from actionunits.errors import UserError
from actionunits.evaluation.coded_faces import CodedFaces, read_coded_faces
from actionunits.faces import FaceFinder
from actionunits.faces.align import cut_out, face_transform, transform_points
from actionunits.media import open_media
from actionunits.models.batch import Batch
from actionunits.runtime.processes import be_a_worker
from actionunits.scores import metrics
from actionunits.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from actionunits.training.validation import CropPredictions, judged
from actionunits.types import FrameResult

SHARES = np.arange(0, 1.01, 0.1)
PRIOR_SD = 0.7  # log-odds by which an action unit's offset may well differ from the mean of all
MIX = 0.35  # of the other estimate in each of presence and intensity
INTENSITY_AT_THRESHOLD = 1.0  # level A: where presence is decided


@dataclass(frozen=True)
class Evidence:
    """Last layers' activations of both branches for N faces; index 0 is the image branch, 1 the landmark branch."""

    presence: np.ndarray  # (2, N, A) log-odds
    intensity: np.ndarray  # (2, N, A) before the logistic function
