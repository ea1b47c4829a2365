"""The compact model that ships in the wheel."""
