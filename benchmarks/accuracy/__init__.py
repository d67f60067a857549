"""How accurate students are: trials of what helps, the marks on SST-2, and other sets with the defaults."""
