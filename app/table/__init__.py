"""`karat table`: the study's table for a network, measured."""
