//! Clusters of real processes in network namespaces, judged from outside.
