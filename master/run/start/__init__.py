"""Everything up to the load: preparing a new run or a resumed one, and bringing up its fleet."""
