"""Camelyon16: patches and their masks, cut from whole-slide images.

`python -m seedsweep.shards.pack camelyon16 --slides DIR --annotations DIR --to DIR` makes a data set of `--kind`
  main      every patch of tissue; one with some tumour, but less than `--coverage`, is left out
  balanced  as many normal as tumour patches
  skewed    one tumour patch in ten (the report does not say; inferred)
  debug     balanced, at most 32 patches in each split (inferred)
and the same command goes on after it was stopped: what is cut of a slide is not cut again. Slides with an annotation,
NAME.xml or NAME_mask.tif, are tumour slides, the others normal. Training and validation never share a slide.
"""
