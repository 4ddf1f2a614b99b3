"""The stages, one file each: pure functions, and `work`, which loads for them and stores what they give."""
