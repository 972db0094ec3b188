"""A stand-in for HaMeR with its contract: what it is asked and answers, not what it knows."""

import sys

sys.stdout.write("hamer is chatty\n")
sys.stdout.flush()
