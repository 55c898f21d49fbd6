"""Everything that puts aisle into an AWS account, and the emulators that prove it without one."""
