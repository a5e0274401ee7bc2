"""Pages and pictures: one file each, without scripts or anything from elsewhere."""
