//! A store in memory: what `serve --dev` uses, and the model that other backends are compared with.
