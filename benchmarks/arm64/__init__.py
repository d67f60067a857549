"""ARM64 without a phone: golden texts and instruction counts under emulation; see the README beside this file."""
