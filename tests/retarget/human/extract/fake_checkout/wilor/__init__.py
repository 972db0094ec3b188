"""A stand-in for WiLoR, whose contract is HaMeR's."""
