"""The study: the only room that imports Optuna. Asks for points, reports epochs, tells results."""
