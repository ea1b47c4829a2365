"""OpenVINO as a backend on the CPU: encoders converted once, kept on disk, and run from there."""
