"""The ways to make further texts of a row's text, each a module and a row of the registry."""
