"""The loop on a served model. Rule: it judges, folds, diagnoses and decides with the very code of the rehearsal."""
