"""What a cluster would do by itself: namespaces end, owners take their dependents along, old rows
go. One replica at a time, from the state as it is."""
