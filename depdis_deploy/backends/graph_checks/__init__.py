"""Static checks of model files: structure, operators, tensor sizes and work, before an engine reads them."""
