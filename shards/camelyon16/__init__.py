"""Camelyon16: patches and their masks, cut from whole-slide images.

The data set `camelyon16` of a study cuts the challenge's own folders, or slides of one's own; so does
`python -m seedsweep.shards.pack camelyon16 --slides DIR --annotations DIR --to DIR`. Of a `--kind`
  main      every patch of tissue; one with some tumour, but less than `--coverage`, is left out
  balanced  as many normal as tumour patches
  skewed    one tumour patch in ten (the report does not say; inferred)
  debug     balanced, at most 32 patches in each split (inferred)
and the same command goes on after it was stopped: what is cut of a slide is not cut again. `--slides` is the
challenge's folder, with `training` and `testing`, or one of one's own slides: those with an annotation, NAME.xml or
NAME_mask.tif, are tumour slides, the others normal. Training and validation never share a slide. The challenge's test
split holds every patch of tissue of each test slide, with its place and the lesion that is there, so that whole slides
can be judged.
"""
