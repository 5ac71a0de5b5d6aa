"""The whole of Tidegate in three minutes, judged by the truth of the traffic that it made itself."""
