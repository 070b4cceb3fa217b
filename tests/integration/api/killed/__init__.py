"""Workers and the database are killed between the steps of runs."""
