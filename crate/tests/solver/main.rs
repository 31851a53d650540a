//! Solvers against brute force, certificates and second algorithms.

mod assignment;
mod graph_matching;
mod k_subset;
mod linear_programme;
mod matching;
mod paths;
mod travelling_salesman;
mod tsplib;
