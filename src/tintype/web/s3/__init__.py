"""S3 over a folder: `<home>/s3/<bucket>/<key>`. An object is a plain file, and a plain file put there by hand is an
object.
"""
