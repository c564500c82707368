"""What requests and answers are made of: `content_types` has the tables, the rest reads or writes one form each."""
