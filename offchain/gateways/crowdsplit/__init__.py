"""CrowdSplit: PIX and cards through PagarMe, with Konduto's fraud screening."""
