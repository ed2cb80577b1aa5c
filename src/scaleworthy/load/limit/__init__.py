"""Find the most that a target takes within its objectives: one live run, steered.

`search` decides what to try, `probe` tries one level, `margin` judges it, `early_stop` ends what is lost already, `fit` makes one
curve of all probes, `driver` is what is steered: the engine, or a simulated server in virtual time.
"""
