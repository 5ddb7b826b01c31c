//! Where rows come from: toys with their exact density, files, preprocessing, splits, batches. Knows no models.
