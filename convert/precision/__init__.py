"""Mixed precision by need: which few operators have to stay in float32."""
