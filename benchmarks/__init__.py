"""`make bench`: what a chart view, an import and a first load cost, each as a ratio in one run."""
