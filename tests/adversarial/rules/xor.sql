vip XOR vip
