"""What a running bot uses: configuration, stream, heartbeats and release of credentials."""
