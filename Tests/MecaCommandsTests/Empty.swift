// placeholder of the package graph
