"""Photos to caption: on disks, in tables, tar files and stores such as S3."""
