"""Draws the pictures of the kitchen set.

canvas -> shapes -> surfaces, produce, utensils -> photo
                 -> pencil -> sketch
                 -> strangers (both domains)
"""
