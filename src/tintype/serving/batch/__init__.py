"""Files and folders, classified: by an endpoint or by a model at hand, resumed after a kill."""
