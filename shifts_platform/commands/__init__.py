"""The sub-commands of `shifts`, one file each."""
