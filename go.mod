module berries

go 1.26
