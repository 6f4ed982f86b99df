"""Photos to caption: on disks, in tables, archives and stores."""
