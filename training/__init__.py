"""How the bundled checkpoint was made: data, model, loss, loop, evaluation, export."""
