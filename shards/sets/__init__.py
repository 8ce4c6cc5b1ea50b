"""The built-in data sets: each class made from DataSet in this package has a short name, `Pattern2Rgb` pattern2_rgb."""
