"""QuickSRNet, depth first."""
