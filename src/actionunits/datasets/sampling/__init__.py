"""Which rows are seen, when and how: folds, balance, pairs, sequences, augmentation."""
