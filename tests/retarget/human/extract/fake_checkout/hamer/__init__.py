"""A stand-in for HaMeR with its contract: what it is asked and answers, not what it knows."""

print("hamer is chatty")
