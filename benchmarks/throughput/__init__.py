"""Training throughput: augmentation, labelling and a student's epoch, each against the plain way to do it."""
