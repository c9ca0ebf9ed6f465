module tracehammer

go 1.26
